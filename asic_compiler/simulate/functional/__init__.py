"""Programs executed tile by tile on real numbers, with transfers as late as they can be."""
