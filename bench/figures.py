"""Lines of a measurement that `python -m bench` reads: `= name: number`."""


def print_figure(name: str, value: float) -> None:
    print(f"= {name}: {value:.3f}", flush=True)
