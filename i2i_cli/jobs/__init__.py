"""What the commands do, without a terminal: values in, a result out. Also the Python API."""
