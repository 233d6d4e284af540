"""The only modules that know they are called from JavaScript."""
