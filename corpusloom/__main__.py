"""Runs the command `loom` as a module, for launchers that need a module: `torchrun -m corpusloom train ...`."""

from corpusloom.pipelines.cli.main import main

if __name__ == "__main__":
    main()
