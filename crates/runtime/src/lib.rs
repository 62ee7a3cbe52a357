//! Workers, config, telemetry, authentication, deadlines, drain.
