# SPDX-License-Identifier: MIT
"""Python's openai client, asynchronous, so many in flight: what bench/llm.sh compares with.

    python3 bench/llm_peer.py URL BODY SIZES IN_FLIGHT

BODY holds a request as mm-llm-summarize --show-prompt prints it, SIZES a number of bytes a line:
the user's message of each request is cut or filled up so that all messages have that many.
Prints: requests, seconds, seconds of a core, peak MiB, version of the client.
"""
import asyncio
import json
import resource
import sys
import time

import openai


def messages_of(body, size, number):
    system = body["messages"][0]["content"]
    room = max(1, size - len(system.encode()))
    text = f"{number} " + body["messages"][-1]["content"]
    text = (text * (room // len(text) + 1))[:room]
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


async def one(client, gate, body, messages):
    async with gate:
        answer = await client.chat.completions.create(
            model=body["model"], messages=messages, max_tokens=body["max_tokens"], temperature=0)
    if not answer.choices[0].message.content:
        raise SystemExit("an empty answer")
    return answer.usage.total_tokens


async def run(url, body, sizes, in_flight):
    gate = asyncio.Semaphore(in_flight)
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=2) as client:
        begin, cpu = time.monotonic(), time.process_time()
        await asyncio.gather(*(one(client, gate, body, messages_of(body, size, i))
                               for i, size in enumerate(sizes)))
        return time.monotonic() - begin, time.process_time() - cpu


def main():
    url, body, sizes, in_flight = sys.argv[1:]
    with open(body, encoding="utf-8") as f:
        body = json.loads(f.readline())
    with open(sizes, encoding="ascii") as f:
        sizes = [int(line) for line in f]
    seconds, cpu = asyncio.run(run(url, body, sizes, int(in_flight)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(len(sizes), f"{seconds:.3f}", f"{cpu:.3f}", peak, openai.__version__)


main()
