"""A result in words: the cells that both the terminal and the page show."""

from bench.results import Against, Guard, Measured, Result, Scale, Spread


def lines(result: Result) -> str:
    """Return a result as plain text, a block for each comparison."""
    blocks = [f"\n{result.title} ({result.machine.cpu}, {result.machine.device})"]
    for measured in result.comparisons:
        blocks.append(f"\n{measured.title}: {measured.data}")
        blocks.append(f"  ours: {measured.ours}, {pace(measured, measured.seconds)}")
        for against in measured.against:
            blocks.append(f"  peer: {against.peer}, {pace(measured, against.seconds)}")
            found = f"{reading(measured, against.reading)} {measured.scale.words}"
            blocks.append(f"    {found}; aim: {aim(measured.scale, against)}")
        blocks.append(f"  guard: {guard(measured.guard)}")
        blocks.extend(f"  {name}: {found}" for name, found in measured.notes.items())
    for table in result.conclusion.tables:
        blocks.append(f"\n{table.title}. {table.note}")
        blocks.extend(f"  {' | '.join(row)}" for row in (table.columns, *table.rows))
    blocks.extend(f"\nguard: {guard(one)}" for one in result.conclusion.guards)
    return "\n".join(blocks)


def pace(measured: Measured, seconds: tuple[float, ...]) -> str:
    """Return the median seconds of a repeat, and the units per second where there are several."""
    median = Spread.of(seconds).median
    taken = f"{figures(median)} s"
    return f"{figures(measured.work / median)} {measured.unit}/s ({taken})" if measured.work > 1 else taken


def reading(measured: Measured, found: Spread) -> str:
    """Return a reading's median with its smallest and largest repeat."""
    scale = measured.scale
    if measured.once:
        return f"{amount(scale, found.median)} (once)"
    low, high = (figures(value * scale.factor) for value in (found.low, found.high))
    return f"{amount(scale, found.median)} ({low} to {high})"


def amount(scale: Scale, value: float) -> str:
    """Return a value with its unit."""
    return f"{figures(value * scale.factor)}{' %' if scale.unit == '%' else scale.unit}"


def aim(scale: Scale, against: Against) -> str:
    """Return what is aimed at and whether it was reached."""
    if against.aim is None:
        return "none"
    bound = "at least" if scale.higher_is_better else "at most"
    return f"{bound} {amount(scale, against.aim)}: {'reached' if against.reached else 'missed'}"


def guard(one: Guard) -> str:
    """Return what a guard found, and plainly when it does not hold."""
    found = f"{one.name}: {one.found}"
    return found if one.holds else f"VIOLATED, {found}"


def figures(value: float) -> str:
    """Return a number to three figures, and to the digit from a thousand on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{float(f'{value:.3g}'):g}"
