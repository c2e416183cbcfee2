"""Wait for the S3 server, and make the bucket for artifacts if it does not exist."""

import os
import time
from http import HTTPStatus
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_SECONDS = 120


def make(bucket: str) -> None:
    """Make a bucket if it does not exist."""
    client = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"] or None)
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
            raise
        client.create_bucket(Bucket=bucket)
        print(f"bucket: made {bucket}")


if __name__ == "__main__":
    name = urlsplit(os.environ["MLFLOW_ARTIFACTS_DESTINATION"]).netloc
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            make(name)
            break
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(2)
