"""The command `loom` as a module, for launchers that want one: `torchrun -m corpusloom train ...`."""

from corpusloom.pipelines.cli.main import main

if __name__ == "__main__":
    main()
