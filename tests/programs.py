"""What a traced program is made of."""


def equations(jaxpr, name: str) -> list:
    """Equations of a name, such as `cond`, however deep within loops."""
    found = []
    for equation in jaxpr.eqns:
        found += [equation] if equation.primitive.name == name else []
        for value in equation.params.values():
            inner = value if isinstance(value, tuple | list) else [value]
            for part in inner:
                if hasattr(part, "jaxpr"):
                    found += equations(part.jaxpr, name)
                elif hasattr(part, "eqns"):
                    found += equations(part, name)
    return found
