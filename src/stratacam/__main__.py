"""`python -m stratacam` is `stratacam`."""

from stratacam.cli import main

if __name__ == "__main__":  # and not in a worker process, which reads this module too
    main()
