"""Where models come from: named ones, Hugging Face configurations, factories."""
