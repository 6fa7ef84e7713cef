"""Images in and out: decoding, folders of domains, the packed cache, and the built-in sample sets."""
