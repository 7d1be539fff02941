"""Policies for each route of an aiohttp app: timeouts, shields, CORS, errors, limits, headers."""

from routeguard.configuration import ConfigError
from routeguard.finding import Finding
from routeguard.keys import client_address, header_key
from routeguard.paths import (
    IDEMPOTENT_METHODS,
    NON_IDEMPOTENT_METHODS,
    match_path,
    match_request,
)
from routeguard.policies.body.policy import body
from routeguard.policies.concurrency_limit.policy import concurrency_limit
from routeguard.policies.concurrency_limit.refused import Overloaded
from routeguard.policies.cors.policy import cors
from routeguard.policies.csrf import CrossOriginRefused, csrf
from routeguard.policies.errors.context import (
    ErrorContext,
    default_error_handler,
    error_context,
)
from routeguard.policies.errors.policy import errors, get_error_response
from routeguard.policies.errors.problem import ProblemDetails, problem_details
from routeguard.policies.exempt import exempt
from routeguard.policies.headers.policy import headers
from routeguard.policies.headers.security import security_headers
from routeguard.policies.hosts.policy import hosts
from routeguard.policies.hosts.serving import HostRefused
from routeguard.policies.https.policy import https
from routeguard.policies.proxied.policy import proxied
from routeguard.policies.rate_limit.policy import rate_limit
from routeguard.policies.rate_limit.refused import RateLimited
from routeguard.policies.shield.policy import shield
from routeguard.policies.shield.work import shielded_count
from routeguard.policies.timeout.policy import deadline, timeout
from routeguard.policies.until_shutdown.policy import until_shutdown
from routeguard.policies.use import use
from routeguard.policy import Place, Policy
from routeguard.refusals import BodyTimeout
from routeguard.routes.rules import rule
from routeguard.running.deadlines import HandlerTimeout
from routeguard.running.events import Event
from routeguard.serving.setup import setup
from routeguard.serving.shutdown import shutting_down
from routeguard.telling.check import check
from routeguard.telling.explain import Considered, Explanation, PolicyExplanation, explain
from routeguard.telling.survey import Survey, SurveyedApplication, SurveyedRoute, survey

__all__ = [
    "IDEMPOTENT_METHODS",
    "NON_IDEMPOTENT_METHODS",
    "BodyTimeout",
    "ConfigError",
    "Considered",
    "CrossOriginRefused",
    "ErrorContext",
    "Event",
    "Explanation",
    "Finding",
    "HandlerTimeout",
    "HostRefused",
    "Overloaded",
    "Place",
    "Policy",
    "PolicyExplanation",
    "ProblemDetails",
    "RateLimited",
    "Survey",
    "SurveyedApplication",
    "SurveyedRoute",
    "body",
    "check",
    "client_address",
    "concurrency_limit",
    "cors",
    "csrf",
    "deadline",
    "default_error_handler",
    "error_context",
    "errors",
    "exempt",
    "explain",
    "get_error_response",
    "header_key",
    "headers",
    "hosts",
    "https",
    "match_path",
    "match_request",
    "problem_details",
    "proxied",
    "rate_limit",
    "rule",
    "security_headers",
    "setup",
    "shield",
    "shielded_count",
    "shutting_down",
    "survey",
    "timeout",
    "until_shutdown",
    "use",
]
