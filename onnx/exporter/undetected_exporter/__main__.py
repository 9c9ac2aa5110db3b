"""`python -m undetected_exporter`."""

import sys

from .cli import main

sys.exit(main())
