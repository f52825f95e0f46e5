"""``python -m convstore``, and what the ``convstore`` script runs."""


def main() -> None:
    """Run the command line; imported late, so that worker processes do not build it."""
    from convstore.cli.app import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
