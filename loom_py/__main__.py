"""`python -m loom_py`: inspect, convert, verify, tokenize, generate, embed, train, demo, welvet."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
