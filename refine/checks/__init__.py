"""What is wrong with files of poses, before it costs a day: `refine check`."""

from refine.checks.finding import Finding as Finding
from refine.checks.known import check as check, run_checks as run_checks
from refine.checks.mends import MENDS as MENDS, mend as mend
