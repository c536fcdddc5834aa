"""Reports as one HTML file without scripts or outside resources."""
