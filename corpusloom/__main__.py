"""The command `loom` as a module, for launchers that want one: `torchrun -m pipelines.main train ...`."""

from pipelines.cli import main

if __name__ == "__main__":
    main()
