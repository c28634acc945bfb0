"""FastAPI: a service that makes the poses of frames better, and answers frame by frame.

uvicorn --app-dir examples inside_fastapi:app &
curl --data-binary @frames.ndjson localhost:8000/refine
"""

from io import BytesIO

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

import refine


async def better(request: Request) -> StreamingResponse:
    body = await request.body()
    try:
        frames = [refine.read(BytesIO(line), "ndjson") for line in body.splitlines()]
    except refine.RefineError as error:
        raise HTTPException(422, str(error)) from None
    answer = map(written, refine.stream(frames))  # FastAPI asks for each in a thread of its pool
    return StreamingResponse(answer, media_type="application/x-ndjson")


def written(poses: refine.Poses) -> bytes:
    refine.write(poses, body := BytesIO(), "ndjson")
    return body.getvalue().strip() + b"\n"


app = FastAPI()
app.add_api_route("/refine", better, methods=["POST"], response_model=None)

if __name__ == "__main__":
    from fastapi.testclient import TestClient

    frame = b'{"image_id":7,"skeleton":"coco17","poses":[{"keypoints":[%s]}]}\n'
    frame %= b",".join([b"9,9,0.9"] * 17)
    for asked in (frame * 2, b"[]"):
        print(TestClient(app).post("/refine", content=asked).text)
