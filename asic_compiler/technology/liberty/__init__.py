"""Liberty files (.lib) of standard-cell libraries, and constants of a node calibrated from one."""
