"""What a traced program is made of."""


def equations(jaxpr, name: str) -> list:
    """Equations of a name, such as `cond`, however deep within loops."""
    found = []
    for equation in jaxpr.eqns:
        found += [equation] if equation.primitive.name == name else []
        for part in _parts(equation):
            found += equations(part, name)
    return found


def largest_array(jaxpr) -> int:
    """Numbers of the largest array that any equation makes, however deep within loops."""
    sizes = [variable.aval.size for each in jaxpr.eqns for variable in each.outvars]
    return max([0, *sizes, *(largest_array(part) for each in jaxpr.eqns for part in _parts(each))])


def _parts(equation) -> list:
    """Programs within an equation."""
    values = equation.params.values()
    inner = [part for x in values for part in (x if isinstance(x, tuple | list) else [x])]
    programs = [getattr(part, "jaxpr", part) for part in inner]
    return [program for program in programs if hasattr(program, "eqns")]
