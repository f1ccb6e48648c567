"""Cancel pulls, running ones and one that waits for its turn: python cancel.py ROOT NAME."""

from __future__ import annotations

import asyncio
import sys

import towline


async def main(root: str, name: str) -> None:
    limit = asyncio.Semaphore(1)
    runtime = towline.Runtime(towline.open_store(root))

    async def pull() -> towline.PullResult:
        async with limit:
            return await runtime.pull_async(name)

    pulls = [asyncio.ensure_future(pull()) for _ in range(3)]
    await asyncio.sleep(0)
    for each in pulls[1:]:
        each.cancel()
    results = await asyncio.gather(*pulls, return_exceptions=True)
    for result in results:
        done = isinstance(result, towline.PullResult)
        print("pulled" if done else f"ended with {type(result).__name__}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
