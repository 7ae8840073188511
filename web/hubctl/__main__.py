"""`python -m web.hubctl`."""

from __future__ import annotations

import sys

from web.hubctl import main

sys.exit(main())
