"""`python -m sasrec_fast.cli`."""

import sys

from sasrec_fast.cli import main

sys.exit(main())
