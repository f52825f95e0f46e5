"""``convstore`` of a release with other read models: ``python next_release.py FOLDER COMMAND…``; FOLDER has them."""

import sys

import convstore.projections

convstore.projections.__path__.insert(0, sys.argv[1])

if __name__ == "__main__":
    from convstore.cli.app import main

    main(sys.argv[2:])
