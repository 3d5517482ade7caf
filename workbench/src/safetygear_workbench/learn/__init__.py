"""From stored examples to a better detector: to people who label, to a service that trains, and back as a package."""
