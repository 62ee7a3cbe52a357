//! What TCF, GPP, us_privacy, COPPA and lmt allow to be done for a user.
