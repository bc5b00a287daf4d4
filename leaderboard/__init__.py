"""The Streamlit leaderboard: draws what ``effbench.report`` computed."""
