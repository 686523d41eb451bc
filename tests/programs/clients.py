"""Fetches through one of Python's libraries, and checks what came. Usage: clients.py LIBRARY FEATURE

Plain requests go to $U, sealed ones to $S; the file `data` is what is served there, `middle` its bytes 1000 to 1999.
"""

import os
import sys

library, feature = sys.argv[1:]
plain, sealed, trusted = os.environ["U"], os.environ["S"], os.environ["SSL_CERT_FILE"]
data, middle = open("data", "rb").read(), open("middle", "rb").read()


def by_urllib3(method, url, headers, body):
    import urllib3
    answer = urllib3.PoolManager(ca_certs=trusted).request(method, url, headers=headers, body=body)
    return answer.status, answer.headers, answer.data


def by_requests(method, url, headers, body):
    import requests
    answer = requests.request(method, url, headers=headers, data=body, verify=trusted)
    return answer.status_code, answer.headers, answer.content


def by_httpx(method, url, headers, body):
    import httpx
    answer = httpx.Client(verify=trusted).request(method, url, headers=headers, content=body)
    return answer.status_code, answer.headers, answer.content


def by_aiohttp(method, url, headers, body):
    import asyncio
    import ssl

    import aiohttp

    async def one():
        context = ssl.create_default_context(cafile=trusted)
        async with aiohttp.ClientSession() as session:
            async with session.request(method, url, headers=headers, data=body, ssl=context) as answer:
                return answer.status, answer.headers, await answer.read()
    return asyncio.run(one())


def ask(url, method="GET", headers=None, body=None):
    return globals()["by_" + library](method, url, headers or {}, body)


def expect(condition):
    if not condition:
        sys.exit("%s: %s: not what was expected" % (library, feature))


if feature == "whole":
    expect(ask(plain + "/data")[2] == data)
elif feature == "range":
    status, _, body = ask(plain + "/data", headers={"Range": "bytes=1000-1999"})
    expect(status == 206 and body == middle)
elif feature == "changed":
    tag = ask(plain + "/data")[1]["etag"]
    expect(ask(plain + "/data", headers={"If-None-Match": tag})[0] == 304)
elif feature == "echo":
    expect(ask(plain + "/_echo", "POST", {}, data)[2] == data)
    pieces = (data[at:at + 5000] for at in range(0, len(data), 5000))
    # None of them knows the length of a generator: chunked. aiohttp's wants to be an asynchronous one.
    expect(library == "aiohttp" or ask(plain + "/_echo", "POST", {}, pieces)[2] == data)
elif feature == "sealed":
    expect(ask(sealed + "/data")[2] == data)
elif feature == "coded":
    _, fields, body = ask(plain + "/app.js", headers={"Accept-Encoding": "gzip"})
    expect(fields["content-encoding"] == "gzip")
    expect(body == ask(plain + "/app.js", headers={"Accept-Encoding": "identity"})[2])
else:
    sys.exit("what is %s?" % feature)
