"""The `api` process: `python -m api`."""

import gc

gc.disable()  # what is imported stays: looking through it for garbage is a tenth of what a start takes

from api.app import main  # noqa: E402

main()
