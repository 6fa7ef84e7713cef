"""What a browser and a script reach by HTTP (`i2i serve`): a page by Gradio, an endpoint by FastAPI below it."""
