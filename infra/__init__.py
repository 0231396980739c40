"""All that touches the world: settings, clients, the local stack, the `sightlog` command."""
