"""Rebuild `harness/data/micro/data` and `harness/data/micro/model`."""

from harness.data.micro.build import main

if __name__ == "__main__":
    main()
