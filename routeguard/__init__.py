"""Timeout, shield, CORS, error, HTTPS and CSRF policies for each route of an aiohttp app."""

from routeguard.configuration import ConfigError
from routeguard.finding import Finding
from routeguard.keys import client_address, header_key
from routeguard.paths import (
    IDEMPOTENT_METHODS,
    NON_IDEMPOTENT_METHODS,
    match_path,
    match_request,
)
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
from routeguard.policies.https.policy import https
from routeguard.policies.rate_limit.policy import rate_limit
from routeguard.policies.rate_limit.refused import RateLimited
from routeguard.policies.shield.policy import shield
from routeguard.policies.shield.work import shielded_count
from routeguard.policies.timeout.policy import deadline, timeout
from routeguard.policies.use import use
from routeguard.policy import Place, Policy
from routeguard.routes.rules import rule
from routeguard.running.deadlines import HandlerTimeout
from routeguard.serving.setup import setup
from routeguard.telling.check import check
from routeguard.telling.explain import Considered, Explanation, PolicyExplanation, explain
from routeguard.telling.survey import Survey, SurveyedRoute, survey

__all__ = [
    "IDEMPOTENT_METHODS",
    "NON_IDEMPOTENT_METHODS",
    "ConfigError",
    "Considered",
    "CrossOriginRefused",
    "ErrorContext",
    "Explanation",
    "Finding",
    "HandlerTimeout",
    "Overloaded",
    "Place",
    "Policy",
    "PolicyExplanation",
    "ProblemDetails",
    "RateLimited",
    "Survey",
    "SurveyedRoute",
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
    "https",
    "match_path",
    "match_request",
    "problem_details",
    "rate_limit",
    "rule",
    "setup",
    "shield",
    "shielded_count",
    "survey",
    "timeout",
    "use",
]
