"""The command line `safetygear`: one file per command, each with a `typer.Typer` named `app`."""
