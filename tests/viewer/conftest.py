"""A study that is looked at, and the page as it was built, or one in its place."""

import pytest
from viewed_study import write_viewed_study

from stratacam.errors import InputError
from stratacam.viewer.built import BuiltPage, read_built_page
from stratacam.viewer.opening import open_viewed

TOKEN = "t0ken-of-the-tests"  # noqa: S105


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Folders of a study, and a folder of further maps."""
    return write_viewed_study(tmp_path_factory.mktemp("viewed"))


@pytest.fixture(scope="session")
def viewed(study):
    folders, planted = study
    return open_viewed(folders, [planted])


@pytest.fixture(scope="session")
def page():
    """The page as it was built; where it was not, one that has its marks and nothing else."""
    try:
        return read_built_page()
    except InputError:
        marks = '<meta charset="utf-8"><link rel="stylesheet" href="viewer.css">'
        return BuiltPage(f'{marks}<script src="viewer.js" defer></script>', "0;", "p{}")


@pytest.fixture(scope="session")
def token():
    return TOKEN
