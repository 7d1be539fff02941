"""Timeout, shield, CORS, error, HTTPS and CSRF policies for each route of an aiohttp app."""

from routeguard.configuration import ConfigError
from routeguard.explanation import Considered, Explanation, PolicyExplanation, explain
from routeguard.findings import Finding, check
from routeguard.installation import setup, shielded_count
from routeguard.paths import (
    IDEMPOTENT_METHODS,
    NON_IDEMPOTENT_METHODS,
    match_path,
    match_request,
)
from routeguard.policies.cors import cors
from routeguard.policies.csrf import csrf
from routeguard.policies.deadlines import HandlerTimeout
from routeguard.policies.errorcontext import ErrorContext, default_error_handler, error_context
from routeguard.policies.errors import errors, get_error_response
from routeguard.policies.exempt import exempt
from routeguard.policies.https import https
from routeguard.policies.problem import ProblemDetails, problem_details
from routeguard.policies.shield import shield
from routeguard.policies.timeout import deadline, timeout
from routeguard.policies.use import use
from routeguard.policy import Policy
from routeguard.rules import rule
from routeguard.surveying import Survey, SurveyedRoute, survey

__all__ = [
    "IDEMPOTENT_METHODS",
    "NON_IDEMPOTENT_METHODS",
    "ConfigError",
    "Considered",
    "ErrorContext",
    "Explanation",
    "Finding",
    "HandlerTimeout",
    "Policy",
    "PolicyExplanation",
    "ProblemDetails",
    "Survey",
    "SurveyedRoute",
    "check",
    "cors",
    "csrf",
    "deadline",
    "default_error_handler",
    "error_context",
    "errors",
    "exempt",
    "explain",
    "get_error_response",
    "https",
    "match_path",
    "match_request",
    "problem_details",
    "rule",
    "setup",
    "shield",
    "shielded_count",
    "survey",
    "timeout",
    "use",
]
