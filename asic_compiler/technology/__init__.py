"""Process nodes: constants with value, unit and source, and the loader that checks them."""
