"""Rule packs as data: the shipped default and where to find it."""

from importlib.resources import files


def shipped() -> bytes:
    """The YAML of the default pack, `beijing`, also when it lies in an installed wheel."""
    return files(__name__).joinpath("beijing.yaml").read_bytes()
