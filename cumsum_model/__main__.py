"""`python -m cumsum_model`."""

import sys

from cumsum_model.cli import main

sys.exit(main())
