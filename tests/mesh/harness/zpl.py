"""Writes ZPL (ZeroMQ RFC 4) from nested dicts."""


def dump(tree, indent=0):
    lines = []
    for name, value in tree.items():
        if isinstance(value, dict):
            lines.append(" " * indent + name)
            lines.append(dump(value, indent + 4).rstrip("\n"))
        elif isinstance(value, bool):
            lines.append(" " * indent + f"{name} = {1 if value else 0}")
        elif isinstance(value, (int, float)):
            lines.append(" " * indent + f"{name} = {value}")
        else:
            lines.append(" " * indent + f'{name} = "{value}"')
    return "\n".join(line for line in lines if line.strip()) + "\n"
