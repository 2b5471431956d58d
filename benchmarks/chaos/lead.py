"""Leads the light work; its workers load what is loaded here."""

from benchmarks.chaos import light

if __name__ == "__main__":
    light.main()
