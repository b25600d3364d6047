"""``python -m companion.village`` writes the shipped splits, or other stories."""

from companion.village import main

raise SystemExit(main())
