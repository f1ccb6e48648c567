"""Pull images concurrently, at most three at a time: python many_pulls.py ROOT NAME..."""

from __future__ import annotations

import asyncio
import sys

import towline


async def main(root: str, *names: str) -> None:
    limit = asyncio.Semaphore(3)
    runtime = towline.Runtime(towline.open_store(root))

    async def pull(name: str) -> str:
        async with limit:
            try:
                result = await runtime.pull_async(name)
            except towline.TowlineError as error:
                return f"{name} failed: {error}"
        return f"{name} has the ID {result.image.id[:12]}"

    for line in await asyncio.gather(*map(pull, names)):
        print(line)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
