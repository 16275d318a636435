"""The probes of the exercises, one module for each of the package's."""
