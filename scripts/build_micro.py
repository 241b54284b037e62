"""Rebuild `harness/micro/data` and `harness/micro/model`."""

from harness.micro.build import main

if __name__ == "__main__":
    main()
