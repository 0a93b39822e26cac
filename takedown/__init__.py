"""The front door: the command line, the configuration and the demonstration. The only place that wires rooms together."""
