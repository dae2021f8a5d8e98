#!/usr/bin/env python3
"""Forgot password from Python: asks for a reset, waits for the mail, and shows how an error looks.

Before:  cargo xtask up --detach && . target/up/env
         python3 -m venv venv && venv/bin/pip install -r examples/python/requirements.txt
Then:    venv/bin/python examples/python/reset.py [USERNAME]
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

DEADLINE = 5  # seconds, for each call; without one a call may wait as long as the server allows


def load_contract():
    """Generates the client's code from proto/ and imports it; a real client would do this in its build."""
    proto = Path(__file__).resolve().parents[2] / "proto"
    well_known = Path(protoc.__file__).parent / "_proto"
    out = tempfile.mkdtemp()
    files = [str(path) for path in (proto / "sandi/identity/v1").glob("*.proto")]
    arguments = ["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(arguments + files) != 0:
        sys.exit("the contract does not compile")
    sys.path.insert(0, out)
    from sandi.identity.v1 import identity_service_pb2_grpc as identity_grpc
    from sandi.identity.v1 import identity_service_pb2 as identity
    from sandi.identity.v1 import support_service_pb2_grpc as support_grpc
    from sandi.identity.v1 import support_service_pb2 as support
    from sandi.identity.v1 import types_pb2 as types

    return identity, identity_grpc, support, support_grpc, types


def explain(error):
    """Prints what the server says about a failed call: code, reason, bad fields, and the text for the person."""
    print(f"{error.code().name}: {error.details()}")
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.BadRequest,
            error_details_pb2.RetryInfo,
            error_details_pb2.LocalizedMessage,
        ):
            if detail.Is(kind.DESCRIPTOR):
                message = kind()
                detail.Unpack(message)
                print(f"  {kind.DESCRIPTOR.name}: {str(message).strip()}")


def main():
    identity, identity_grpc, support, support_grpc, types = load_contract()
    address = os.environ["SANDI_GRPC_ADDR"].removeprefix("http://")
    username = sys.argv[1] if len(sys.argv) > 1 else os.environ["SANDI_DEMO_USER"]
    gateway_token = [("authorization", f"Bearer {os.environ['SANDI_TOKEN_GATEWAY']}")]
    support_token = [("authorization", f"Bearer {os.environ['SANDI_TOKEN_SUPPORT']}")]

    with grpc.insecure_channel(address) as channel:
        passwords = identity_grpc.IdentityServiceStub(channel)
        desk = support_grpc.SupportServiceStub(channel)

        asked = passwords.RequestReset(
            identity.RequestResetRequest(
                username=username, requester=types.Requester(ip="203.0.113.7", locale="id")
            ),
            timeout=DEADLINE,
            metadata=gateway_token,
        )
        print(f"asked: request {asked.request_id}")

        state = types.DELIVERY_STATE_UNSPECIFIED
        for _ in range(50):
            try:
                found = desk.GetReset(
                    support.GetResetRequest(request_id=asked.request_id), timeout=DEADLINE, metadata=support_token
                )
                state = found.resets[0].delivery_state
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    explain(error)
                    return 1
            if state in (types.DELIVERY_STATE_SENT, types.DELIVERY_STATE_NOT_SENT, types.DELIVERY_STATE_BOUNCED):
                break
            time.sleep(0.2)
        print(f"mail: {types.DeliveryState.Name(state)}")

        try:
            passwords.VerifyPassword(
                identity.VerifyPasswordRequest(username=username, password="not the password of anybody"),
                timeout=DEADLINE,
                metadata=gateway_token,
            )
        except grpc.RpcError as error:
            print("a wrong password is answered with:")
            explain(error)
            expected = error.code() is grpc.StatusCode.FAILED_PRECONDITION
            return 0 if expected and state == types.DELIVERY_STATE_SENT else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
