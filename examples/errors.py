"""Tell errors apart by their class: python errors.py ROOT NAME."""

from __future__ import annotations

import sys

import towline


def main(root: str, name: str) -> int:
    try:
        towline.pull(name, root)
    except towline.NotFoundError:
        print("the registry does not have the image")
    except towline.UnauthorizedError:
        print("the registry requires other credentials")
    except towline.RateLimitedError:
        print("the registry accepts no more requests now; try again later")
    except towline.VerificationError as error:
        print(f"wrong bytes: {error}")
    except towline.PullFailedError as error:
        for each in error.errors or (error,):  # empty if there was nothing to try
            print(f"{type(each).__name__} ({each.code}): {each}")
    except towline.TowlineError as error:
        print(f"nothing was tried: {error}")
    else:
        print("pulled")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
